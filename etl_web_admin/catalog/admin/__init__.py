"""The pages of the site: one module a menu."""

from etl_web_admin.catalog.admin import errors, people, sources, stores, transactions

__all__ = ["errors", "people", "sources", "stores", "transactions"]
