"""REST for people and programs: JSON to contracts and back, status codes, headers. Holds no rule and opens no database."""
