# Tools that start tools: git with its own programs, sed, awk, sort in a pipe.
# prelude: none
# requires: git sed
# %% [setup]
open("words.txt", "w").write("pear 3\napple 5\nfig 1\n")
# %%
%%bash
set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_DATE="2024-01-01T00:00:00Z" GIT_COMMITTER_DATE="2024-01-01T00:00:00Z"
git init -q -b main repository
cp words.txt repository/
cd repository
git add words.txt
git -c user.name=A -c user.email=a@example.org commit -q -m first
git log --format='%H %s'
git ls-files --stage
# %%
!sed -n 's/^\(.*\) \([0-9]\)$/\2 \1/p' words.txt | sort -n | awk '{ print NR ": " $2 }'
# %%
files = !ls repository
print(files)
