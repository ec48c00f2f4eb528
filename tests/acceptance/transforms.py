"""What a server's own module of transforms may hold, good and bad; named in ETL_TRANSFORMS."""

from __future__ import annotations

import pandas as pd


def shout(frame: pd.DataFrame) -> pd.DataFrame:
    """Notes in capitals."""
    if not all(isinstance(kind, pd.ArrowDtype) for kind in frame.dtypes):
        raise TypeError(f"not backed by Arrow: {frame.dtypes}")
    return frame.assign(note=frame["note"].str.upper())


def forget(frame: pd.DataFrame) -> pd.DataFrame:
    """A column fewer."""
    return frame.drop(columns=["note"])


def float_money(frame: pd.DataFrame) -> pd.DataFrame:
    """Money as floating point."""
    return frame.assign(amount=frame["amount"].astype("float64[pyarrow]"))


def sieve(frame: pd.DataFrame) -> pd.DataFrame:
    """A row fewer."""
    return frame.iloc[1:]


def stumble(frame: pd.DataFrame) -> pd.DataFrame:
    """Fails."""
    raise ValueError("no such rate")


TRANSFORMS = {
    "shout": shout,
    "forget": forget,
    "float_money": float_money,
    "sieve": sieve,
    "stumble": stumble,
}
