DELETE FROM sales;
UPDATE seats SET buyer = NULL;
