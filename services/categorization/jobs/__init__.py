"""Work in the background: classifying many payments, classifying the ledger anew, looking for new categories."""
