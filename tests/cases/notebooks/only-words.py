# prelude: none
# Markdown only: nothing executes.

# %% [markdown]
# A title

# %% [markdown]
# `open("never.txt")` is only written here.
