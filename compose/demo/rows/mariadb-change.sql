update orders set quantity = quantity + 1 where id % 1000 = 0;
insert into orders values (20001, 'Captain Maturin', 'a live sloth', 1, '2026-02-01 12:00:00');
delete from orders where id = 13;
