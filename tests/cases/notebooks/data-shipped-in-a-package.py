# requires: matplotlib
# prelude: packages
# A table that an installed package carries is that package's, not the project's.

# %%
import matplotlib
packages()

# %%
import matplotlib.cbook
with matplotlib.cbook.get_sample_data("data_x_x2_x3.csv") as stream:
    print(len(stream.readlines()))
packages("matplotlib")
touched("read", os.path.join(matplotlib.get_data_path(), "sample_data", "data_x_x2_x3.csv"),
        role="data|package-data")
