package control

// PlanView is a plan as a page shows it.
type PlanView struct {
	ID                 string
	Title, Description map[string]string // by language
	Accounts           int               // 0 for no limit
	StorageMiB         int
}

// KindViews returns the kinds on offer with the application each one gets, in the order people see them.
func (c *Control) KindViews() []AppView {
	var views []AppView
	for _, k := range c.catalogue.Kinds() {
		if v, ok := c.appView(k.ID, ""); ok {
			views = append(views, v)
		}
	}
	return views
}

// PlanViews returns the plans on offer, the smallest first.
func (c *Control) PlanViews() []PlanView {
	var views []PlanView
	for _, p := range c.catalogue.Plans() {
		views = append(views, PlanView{
			ID: p.ID, Title: bilingual(p.Title), Description: bilingual(p.Description), Accounts: p.Accounts, StorageMiB: p.StorageMiB,
		})
	}
	return views
}

// appView describes the application of a kind, with what it reserves under a plan where one is given.
func (c *Control) appView(kind, plan string) (AppView, bool) {
	app, ok := c.catalogue.AppForKind(kind)
	if !ok {
		return AppView{}, false
	}
	v := AppView{Kind: kind, Name: app.Name, Version: app.Version(c.options.Variant), Title: bilingual(app.Title), Description: bilingual(app.Description), Resources: app.Size(plan)}
	return v, true
}

func bilingual(text func(lang string) string) map[string]string {
	return map[string]string{"fr": text("fr"), "en": text("en")}
}
