# files
# need 4: 1 2 4
# %%
open("words.txt", "w").write("b\na\n");
# %%
!sort words.txt > sorted.txt
# %%
!echo spare > spare.txt
# %%
print(open("sorted.txt").read())
