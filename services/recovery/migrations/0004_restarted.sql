-- Begun by whoever held a valid link of an older one, in a window of her own: counted apart from what strangers type (R19, REG-9).
ALTER TABLE request ADD COLUMN restarted boolean NOT NULL DEFAULT false;
