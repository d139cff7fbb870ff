update entries set note = note || '{"ink": "red"}' where id % 500 = 0;
insert into entries values (20001, 'account 18', 12.34, '{"page": 501, "ink": "red"}');
delete from entries where id = 13;
