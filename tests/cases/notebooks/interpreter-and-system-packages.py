# requires: dpkg
# The standard library belongs to the interpreter, programs and their libraries to Debian's packages.

# %%
import subprocess

def installed(path):
    """Ask dpkg which package owns a file, under either name of a merged /usr."""
    path = os.path.realpath(path)
    for name in (path, path.removeprefix("/usr")):
        found = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True).stdout
        if found:
            owner = found.split(": ")[0].split(",")[0]
            query = ["dpkg-query", "-W", "-f", "${Package} ${Version}", owner]
            return subprocess.run(query, capture_output=True, text=True).stdout.split()
    raise LookupError(path)

def owners(program):
    """Give the packages of a program and of the libraries that its loader lists for it."""
    words = subprocess.run(["ldd", program], capture_output=True, text=True).stdout.split()
    paths = [program, *(word for word in words if word.startswith("/"))]
    return {tuple(installed(path)) for path in paths}

of_sort, of_sed = owners("/usr/bin/sort"), owners("/usr/bin/sed")

# %%
print(subprocess.run(["/usr/bin/sort"], input="b\na\n", env={"LC_ALL": "C"},
                     capture_output=True, text=True).stdout)
for name, version in sorted(of_sort):
    package(name, version, manager="dpkg")

# %%
print(subprocess.run(["/usr/bin/sed", "s/a/b/"], input="a\n", env={"LC_ALL": "C"},
                     capture_output=True, text=True).stdout)
for name, version in sorted(of_sed):
    package(name, version, manager="dpkg")

# %%
import sys
import wave, colorsys
package("python", ".".join(map(str, sys.version_info[:3])), manager="python")
