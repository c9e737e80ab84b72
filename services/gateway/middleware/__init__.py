"""The stages that a request passes before its route, in this order; pure ASGI, because each of them is on every request's way."""
