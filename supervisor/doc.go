// Package supervisor runs long-lived goroutines as a tree, as Erlang/OTP does.
package supervisor
