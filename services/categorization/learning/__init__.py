"""What training reads of what users say, and the models that it makes for them."""
