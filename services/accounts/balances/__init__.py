"""What each account holds, per currency and as of any day."""
