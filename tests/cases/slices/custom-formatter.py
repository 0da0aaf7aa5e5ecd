# need 4: 1 2 4
# %%
class Thing:
    pass
# %%
formatter = get_ipython().display_formatter.formatters["text/plain"]
formatter.for_type(Thing, lambda thing, printer, cycle: printer.text("a thing"))
None
# %%
other = 2
# %%
Thing()
