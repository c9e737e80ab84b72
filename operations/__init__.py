"""What an operator runs beside the services: backups and their drill, the error budget, what is asked of a running system."""
