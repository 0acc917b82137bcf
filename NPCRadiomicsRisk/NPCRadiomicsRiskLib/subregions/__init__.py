"""GTVr and GTVnr: contours and masks carried between scans, the tumor divided, and the dose its recurrence got."""
