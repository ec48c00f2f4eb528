"""`python -m etl_oracle_to_bq`; from another folder, `python PATH/etl_oracle_to_bq`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    # Started by its path, Python puts this folder first instead of the checkout.
    sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p or ".").resolve() != HERE)]
    from etl_oracle_to_bq.cli import main

    raise SystemExit(main())
