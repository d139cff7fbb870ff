create table entries (id int primary key, account text not null, amount numeric(12,2) not null, note jsonb);
insert into entries
select n, 'account ' || n % 17, (n * 31 % 5000)::numeric / 100, jsonb_build_object('page', n / 40, 'ink', 'black')
from generate_series(1, 20000) n;
create view totals as select account, sum(amount) as total from entries group by account;
