"""`python -m etl_oracle_to_bq`."""

from etl_oracle_to_bq.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
