create table orders (id int primary key, customer varchar(40), item varchar(40), quantity int, placed datetime);
insert into orders
select seq, concat('Captain ', elt(1 + seq % 5, 'Aubrey', 'Pullings', 'Riou', 'Clonfert', 'Corbett')),
       elt(1 + seq % 4, 'rope, fathoms', 'ship''s biscuit', 'candles', 'Söderhamn tar'), 1 + seq * 7 % 90,
       '2026-01-01' + interval seq minute
from seq_1_to_20000;
