"""Research behind mmdownsize. The product needs nothing of it, and the wheel does not hold it."""
