// lib/pq: SNI from the host, which our dialer knows

package main

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/lib/pq"
)

type local struct{ dsn string }

func (l local) Dial(network, address string) (net.Conn, error) {
	return net.Dial("tcp", "127.0.0.1:"+os.Getenv("PORT"))
}

func (l local) DialTimeout(network, address string,
	timeout time.Duration) (net.Conn, error) {
	return l.Dial(network, address)
}

func (l local) Open(name string) (driver.Conn, error) {
	return pq.DialOpen(l, name)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	sql.Register("local", local{})

	db, err := sql.Open("local", fmt.Sprintf(
		"host=%s port=%s user=%s password='%s' dbname=%s"+
			" sslmode=verify-full sslrootcert=%s",
		os.Getenv("HOST"), os.Getenv("PORT"), os.Getenv("PGUSER"),
		os.Getenv("GO_PASSWORD"), os.Getenv("PGDATABASE"),
		os.Getenv("CA")))
	check(err)

	var user, text string
	var number, count int

	check(db.QueryRow("select current_user, $1::int * 2", 21).
		Scan(&user, &number))

	tx, err := db.Begin()
	check(err)
	_, err = tx.Exec("create temp table t (line text)")
	check(err)

	st, err := tx.Prepare(pq.CopyIn("t", "line"))
	check(err)
	for n := 0; n < 1000; n++ {
		_, err = st.Exec(fmt.Sprintf("line %d", n))
		check(err)
	}
	_, err = st.Exec()
	check(err)
	check(st.Close())

	check(tx.QueryRow("select count(*) from t").Scan(&count))
	check(tx.QueryRow("select repeat('x', 1000000)").Scan(&text))
	check(tx.Commit())

	fmt.Println(user, number, count, len(text))
}
