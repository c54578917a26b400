package partition

// The two functions below must never change: users store where a key belongs.

// indexOf returns the index of the owner of a key, by rendezvous hashing: that with the
// highest score. One more child changes the owner of a key only to that child.
func indexOf(key string, n int) (index int) {
	hash, best := hashOf(key), uint64(0)
	for i := range n {
		if score := mix(hash + uint64(i)*0x9e3779b97f4a7c15); score > best {
			index, best = i, score
		}
	}
	return index
}

// hashOf returns the 64-bit FNV-1a hash of a key.
func hashOf(key string) uint64 {
	hash := uint64(0xcbf29ce484222325)
	for i := range len(key) {
		hash = (hash ^ uint64(key[i])) * 0x100000001b3
	}
	return hash
}

// mix spreads the differences between two numbers over all bits.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
