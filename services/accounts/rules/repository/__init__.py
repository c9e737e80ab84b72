"""Rules in PostgreSQL: `stored` reads them inside a transaction, `importing` applies them to an import's rows, `rules` has the
transactions of RulesService."""
