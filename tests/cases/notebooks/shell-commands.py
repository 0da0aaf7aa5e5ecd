# `!cmd`, assigned `!cmd`, pipes and redirections, and %%bash: children belong to the cell.

# %% [setup]
from pathlib import Path
Path("names.txt").write_text("b\na\nc\n")
Path("more.txt").write_text("d\n")

# %%
!cat names.txt
touched("read", "names.txt")

# %%
lines = !sort names.txt more.txt | tee sorted.txt
print(lines)
touched("read", "names.txt")
touched("read", "more.txt")
touched("write", "sorted.txt")

# %%
%%bash
touched() { printf '@touched {"mode": "%s", "path": "%s"}\n' "$1" "$(realpath "$2")"; }
wc -l < sorted.txt > count.txt
touched read sorted.txt
touched write count.txt
while read -r line; do echo "<$line>" >> marked.txt; done < names.txt
touched read names.txt
touched write marked.txt
diff <(cat names.txt) <(cat more.txt) || true
touched read more.txt
cat <<END > here.txt
here
END
touched write here.txt

# %%
%%sh
cp here.txt there.txt
printf '@touched {"mode": "read", "path": "%s"}\n' "$(pwd -P)/here.txt"
printf '@touched {"mode": "write", "path": "%s"}\n' "$(pwd -P)/there.txt"

# %%
!rm there.txt && mv here.txt moved.txt
touched("remove", "there.txt")
renamed("here.txt", "moved.txt")
