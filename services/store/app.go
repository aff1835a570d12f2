package store

// AppUse is how many spaces of associations use an application, on their own or shared with others.
type AppUse struct {
	App    string
	Spaces int
}

// AppsInUse counts for each application the spaces that use it, by the application's name.
func (tx *Tx) AppsInUse() ([]AppUse, error) {
	scan := func(r row) (u AppUse, err error) {
		err = r.Scan(&u.App, &u.Spaces)
		return u, err
	}
	return many(tx, scan, `SELECT app, COUNT(*) FROM (
			SELECT i.app, i.space_id FROM instance i JOIN space s ON s.id = i.space_id WHERE s.shared = 0 AND s.state <> 'withdrawn'
			UNION SELECT i.app, t.space_id FROM tenant t JOIN instance i ON i.id = t.instance_id
		) AS used GROUP BY app ORDER BY app`)
}
