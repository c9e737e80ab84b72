"""A user's right over the own data, as every service with user tables grants it: rules, wire and SQL. A service adds its list of tables."""
