"""The seeded ERP: nine finance views over base tables, and the business that changes them."""
