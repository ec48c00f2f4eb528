"""Loads Oracle views into BigQuery: config → plan → extract → stage → load → commit → record."""
