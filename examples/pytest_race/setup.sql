CREATE TABLE seats (id integer PRIMARY KEY, buyer integer);
INSERT INTO seats (id) VALUES (1), (2);
CREATE TABLE sales (seat_id integer NOT NULL REFERENCES seats, buyer integer NOT NULL);
