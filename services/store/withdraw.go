package store

// WithdrawInstance ends an instance for the ingress: it is served no more, its certificate is forgotten, and its node
// has its place, its room and its port again. The row stays, since names of jobs and volumes are never used twice.
func (tx *Tx) WithdrawInstance(id string) error {
	i, err := tx.Instance(id)
	if err != nil {
		return err
	}
	if err := tx.must(`UPDATE instance SET routed = 0, address = '', node = '', port = 0, cpu = 0, memory = 0,
		memory_max = 0, disk = 0, volume_mib = 0 WHERE id = $1`, id); err != nil {
		return err
	}
	if _, err := tx.exec(`DELETE FROM certificate WHERE host = $1`, i.Host); err != nil {
		return err
	}
	return tx.bumpEdge()
}
