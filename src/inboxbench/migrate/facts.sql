-- What the catalog says is there already.

--- column
SELECT format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
WHERE attrelid = to_regclass(quote_ident(%s)) AND attname = %s AND NOT attisdropped

--- index
SELECT c.relname, i.indisvalid AND i.indisready, i.indisunique,
       regexp_replace(pg_get_indexdef(i.indexrelid), '^.*? USING ', 'USING ')
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE i.indexrelid = to_regclass(quote_ident(%s))

--- constraint
SELECT convalidated FROM pg_constraint WHERE conrelid = to_regclass(quote_ident(%s)) AND conname = %s

--- trigger
SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass(quote_ident(%s)) AND tgname = %s AND NOT tgisinternal
