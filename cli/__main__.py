"""``python -m cli``: the same as ``lianban``."""

from cli.main import main

if __name__ == "__main__":
    main()
