package main

import (
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// vungxa is the node's store, with the collector's aims that the daemon sets.
type vungxa struct{ *store.Store }

func openVungxa(dir string) (peer, error) {
	debug.SetMemoryLimit(120 << 20)
	debug.SetGCPercent(50)
	s, err := store.Open(dir, store.Options{
		Log: slog.New(slog.DiscardHandler), Keys: keyring.Keys{StoreID: [16]byte{1}, Data: [keyring.KeySize]byte{2}},
	})
	return vungxa{s}, err
}

func (v vungxa) Write(rows []row) error {
	return v.Update(func(tx *store.Tx) error {
		for _, r := range rows {
			if err := errors.Join(tx.Put(append([]byte("R"), r.key...), r.value), tx.Put(append([]byte("X"), r.index...), []byte{})); err != nil {
				return err
			}
		}
		return nil
	})
}

func (v vungxa) Get(key []byte) (value []byte, err error) {
	err = v.View(func(tx *store.Tx) (err error) {
		value, err = tx.Get(append([]byte("R"), key...))
		return err
	})
	return value, err
}

func (v vungxa) Page(from []byte, n int) (read int, err error) {
	err = v.View(func(tx *store.Tx) error {
		return tx.Scan(store.Scan{Prefix: []byte("X"), From: append([]byte("X"), from...)}, func(k, _ []byte) (bool, error) {
			value, err := tx.Get(append([]byte("R"), k[9:]...))
			if value != nil {
				read++
			}
			return read < n, err
		})
	})
	return read, err
}

// bolt is bbolt with its defaults: every transaction is synced.
type bolt struct{ *bbolt.DB }

func openBolt(dir string) (peer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	db, err := bbolt.Open(dir+"/bolt", 0o600, nil)
	if err != nil {
		return nil, err
	}
	return bolt{db}, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("R"))
		_, err2 := tx.CreateBucket([]byte("X"))
		return errors.Join(err, err2)
	})
}

func (b bolt) Write(rows []row) error {
	return b.Update(func(tx *bbolt.Tx) error {
		for _, r := range rows {
			if err := errors.Join(tx.Bucket([]byte("R")).Put(r.key, r.value), tx.Bucket([]byte("X")).Put(r.index, nil)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b bolt) Get(key []byte) (value []byte, err error) {
	err = b.View(func(tx *bbolt.Tx) error {
		value = append(value, tx.Bucket([]byte("R")).Get(key)...)
		return nil
	})
	return value, err
}

func (b bolt) Page(from []byte, n int) (read int, err error) {
	err = b.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte("X")).Cursor()
		for k, _ := c.Seek(from); k != nil && read < n; k, _ = c.Next() {
			if len(append([]byte(nil), tx.Bucket([]byte("R")).Get(k[8:])...)) > 0 {
				read++
			}
		}
		return nil
	})
	return read, err
}

// sqlite is SQLite in Go, write-ahead log, every transaction synced.
type sqlite struct{ *sql.DB }

func openSQLite(dir string) (peer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dir+"/sqlite?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.Exec("create table r (k blob primary key, x blob not null, v blob not null) without rowid; create unique index rx on r (x)")
	return sqlite{db}, err
}

func (s sqlite) Write(rows []row) (err error) {
	tx, err := s.Begin()
	if err != nil {
		return err
	}
	for _, r := range rows {
		if _, err := tx.Exec("insert into r values (?, ?, ?)", r.key, r.index, r.value); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

func (s sqlite) Get(key []byte) (value []byte, err error) {
	err = s.QueryRow("select v from r where k = ?", key).Scan(&value)
	return value, err
}

func (s sqlite) Page(from []byte, n int) (read int, err error) {
	rows, err := s.Query("select v from r where x >= ? order by x limit ?", from, n)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var value []byte
		if err := rows.Scan(&value); err != nil {
			return read, err
		}
		read++
	}
	return read, rows.Err()
}
