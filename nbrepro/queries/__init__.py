"""Named questions: `queries/sparql/NAME.rq` and `queries/cypher/NAME.cypher`, and a project's own.

A file starts with its header and is, as it stands, a valid query:

    #+ summary: Which cells read a file
    #+ parameters: [run, file, cell?]
    #+ columns: [cell, path]
    SELECT ?cell ?path WHERE { VALUES ?file { UNDEF } ?version nbr:path ?file . ... }

In SPARQL `VALUES ?file { UNDEF }` is the place where a parameter is bound: the UNDEF becomes the
value, as a term that the store writes; where an optional parameter (`cell?`) is not given, the
clause goes. `run` needs no such place: the query's default graph is that of the run. Shared things
are in `GRAPH graph:shared`. A sub-SELECT is a scope of its own: a parameter that it uses and
neither projects nor binds would silently match everything, so such a file is refused.

In Cypher the header's lines start `//+`, and a parameter is `$file`: null where it is not given.

A question of ours exists in both dialects, with equal headers; a project's own, in
`.nbrepro/queries/`, in those that its stores need.
"""

from nbrepro.queries.files import (
    SUFFIXES,
    find_question,
    load_questions,
    parse_question,
    read_question,
)
from nbrepro.queries.question import Parameter, Question

__all__ = [
    "SUFFIXES",
    "Parameter",
    "Question",
    "find_question",
    "load_questions",
    "parse_question",
    "read_question",
]
