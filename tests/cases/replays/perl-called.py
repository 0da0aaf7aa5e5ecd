# Another language in a cell, with modules of its own library.
# prelude: none
# requires: perl
# %%
%%perl
use strict; use warnings; use List::Util qw(sum); use POSIX qw(floor); use Digest::SHA qw(sha256_hex);
print sum(1 .. 10), " ", floor(3.7), " ", substr(sha256_hex("perl"), 0, 8), "\n";
# %%
import subprocess
script = 'use Time::Local; use File::Basename; print basename("/a/b.txt"), " ", timegm(0, 0, 0, 1, 0, 124), "\n"'
print(subprocess.run(["perl", "-e", script], capture_output=True, text=True).stdout, end="")
