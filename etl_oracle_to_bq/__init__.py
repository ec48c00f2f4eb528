"""Loads Oracle views into BigQuery: config → plan → extract → stage → load → commit → record."""

__version__ = "0.2.0"
