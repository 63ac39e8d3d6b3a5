#!/bin/sh
# Finds the best Python from 3.11 to 3.13 on this machine and hands over to prepare.py, which needs nothing else.
# The distribution's comes first: it is built with profile-guided optimisation, which those that version managers build
# are not, and with which the services take a quarter less processor time. LIANBAN_PYTHON names another one.
here=$(dirname "$0")
fallback=
for name in ${LIANBAN_PYTHON:-/usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 \
    python3.13 python3.12 python3.11 python3 python}; do
    "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1 || continue
    "$name" -c 'import venv, ensurepip' >/dev/null 2>&1 && exec "$name" "$here/prepare.py" "$@"
    [ -n "$fallback" ] || fallback=$name
done
# A Python without ensurepip: prepare.py installs the distribution's package that has it.
[ -n "$fallback" ] && exec "$fallback" "$here/prepare.py" "$@"
if [ -n "$LIANBAN_PYTHON" ]; then
    echo "联办 Lianban needs Python 3.11, 3.12 or 3.13; LIANBAN_PYTHON=$LIANBAN_PYTHON is none." >&2
    echo "Set it to one of them, or unset it: then one is looked for." >&2
    exit 1
fi
echo "联办 Lianban needs Python 3.11, 3.12 or 3.13, and none was found on the PATH." >&2
echo "Install it (Debian 12, Ubuntu 24.04: apt-get install python3 python3-venv) and call make again." >&2
exit 1
