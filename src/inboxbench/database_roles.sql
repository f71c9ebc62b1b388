-- The statements of database_roles.py.

-- Roles that own something in this database, have a privilege or a policy there, those that are asked for, and whatever
-- they are members of. Predefined ones are on every server.
--- roles
WITH RECURSIVE named (oid) AS (
    SELECT s.refobjid FROM pg_shdepend AS s JOIN pg_database AS d ON d.oid = s.dbid
    WHERE d.datname = current_database() AND s.refclassid = 'pg_authid'::regclass
    UNION SELECT unnest(polroles) FROM pg_policy
    UNION SELECT oid FROM pg_roles WHERE rolname = ANY (%(wanted)s)
    UNION SELECT m.roleid FROM pg_auth_members AS m JOIN named ON named.oid = m.member
)
SELECT r.rolname::text, r.rolsuper, r.rolbypassrls, r.rolinherit
FROM named JOIN pg_roles AS r USING (oid) WHERE r.rolname !~ '^pg_' ORDER BY 1

--- memberships
SELECT g.rolname::text, m.rolname::text, coalesce((to_jsonb(a) ->> 'inherit_option')::boolean, true)
FROM pg_auth_members AS a JOIN pg_roles AS g ON g.oid = a.roleid JOIN pg_roles AS m ON m.oid = a.member
WHERE m.rolname = ANY (%s) ORDER BY 1, 2

-- Who owns what, as statements; what belongs to an extension, or to a column, has its owner by that.
--- owners
WITH own AS (SELECT oid, nspname, nspowner FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
free AS (SELECT c.oid FROM pg_class AS c WHERE NOT EXISTS (
    SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
      AND (d.deptype IN ('e', 'i') OR d.deptype = 'a' AND c.relkind = 'S')))
SELECT format('ALTER SCHEMA %%I OWNER TO %%I', nspname, r.rolname) FROM own JOIN pg_roles AS r ON r.oid = nspowner
WHERE r.rolname = ANY (%(roles)s)
UNION ALL
SELECT format('ALTER %%s %%I.%%I OWNER TO %%I', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
       WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, own.nspname, c.relname, r.rolname)
FROM pg_class AS c JOIN own ON own.oid = c.relnamespace JOIN pg_roles AS r ON r.oid = c.relowner JOIN free ON free.oid = c.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND r.rolname = ANY (%(roles)s)
UNION ALL
SELECT format('ALTER ROUTINE %%s OWNER TO %%I', p.oid::regprocedure, r.rolname)
FROM pg_proc AS p JOIN own ON own.oid = p.pronamespace JOIN pg_roles AS r ON r.oid = p.proowner
WHERE p.prokind <> 'a' AND r.rolname = ANY (%(roles)s)
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')

-- Who may do what, as statements.
--- grants
WITH own AS (SELECT oid, nspname, nspacl FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
granted AS (
    SELECT format('SCHEMA %%I', nspname) AS object, a.grantee, a.privilege_type AS what FROM own, aclexplode(nspacl) AS a
    UNION ALL
    SELECT format('%%s %%I.%%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, own.nspname, c.relname),
           a.grantee, a.privilege_type
    FROM pg_class AS c JOIN own ON own.oid = c.relnamespace, aclexplode(c.relacl) AS a
    UNION ALL
    SELECT format('TABLE %%I.%%I', own.nspname, c.relname), x.grantee, format('%%s (%%I)', x.privilege_type, a.attname)
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN own ON own.oid = c.relnamespace, aclexplode(a.attacl) AS x
    UNION ALL
    SELECT format('ROUTINE %%s', p.oid::regprocedure), a.grantee, a.privilege_type
    FROM pg_proc AS p JOIN own ON own.oid = p.pronamespace, aclexplode(p.proacl) AS a
    WHERE p.prokind <> 'a'
)
SELECT format('GRANT %%s ON %%s TO %%s', string_agg(g.what, ', '), g.object, coalesce(quote_ident(r.rolname), 'PUBLIC'))
FROM granted AS g LEFT JOIN pg_roles AS r ON r.oid = g.grantee
WHERE g.grantee = 0 OR r.rolname = ANY (%(roles)s)
GROUP BY g.object, r.rolname
ORDER BY g.object LIKE 'SCHEMA %%' DESC, 1

-- Settings that a login of this role meets here, in the order in which a later one counts more.
--- settings
SELECT split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1)
FROM pg_db_role_setting AS s, unnest(s.setconfig) AS entry
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = %s))
ORDER BY s.setrole <> 0, s.setdatabase <> 0

-- Tables whose policies do not bind the current role, and whether it may read past all of them.
--- unbound
SELECT c.oid::regclass::text, (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relrowsecurity AND n.nspname !~ '^pg_' AND NOT row_security_active(c.oid)
ORDER BY n.nspname <> 'public', n.nspname, c.relname
