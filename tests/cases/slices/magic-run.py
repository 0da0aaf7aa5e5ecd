# files
# need 3: 1 2 3
# %%
open("script.py", "w").write("made_by_script = 6 * 7\n");
# %%
%run script.py
# %%
print(made_by_script)
