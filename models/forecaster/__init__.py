"""Forecasts of money in and out, with quantiles: many series at once, each beside plain baselines."""
