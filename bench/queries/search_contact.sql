-- name: search_contact
-- title: contacts by a piece of name, e-mail, telephone or outside id
-- family: search
-- ids: K2
-- params: account bigint, piece text
-- classes: contact_rare contact_frequent contact_median
-- order: ordered
--
-- One term against four columns of one table, so a bitmap can be joined of four: the OR is no harm here. The piece is
-- a person's telephone, which few share, or a domain that nearly all have.

SELECT k.id, k.name, k.email, k.phone_number, k.external_id
FROM contacts k
WHERE k.account_id = :account
  AND (k.name ILIKE '%' || :piece || '%' OR k.email ILIKE '%' || :piece || '%'
       OR k.phone_number ILIKE '%' || :piece || '%' OR k.external_id ILIKE '%' || :piece || '%')
ORDER BY k.id DESC
LIMIT 15
