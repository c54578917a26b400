// Package sqltest tests package sqlgate with real databases. It is a module of its own, so
// that no driver is a dependency of Coppice. SQLite is tested always, PostgreSQL and MariaDB
// if MACHINES is set in the environment: make machines. Their programs must be installed
// (Debian: postgresql, mariadb-server); the tests start servers of their own on loopback.
package sqltest
