package web

import (
	"slices"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// fieldSpec is how a field that people type into looks.
type fieldSpec struct {
	Name         string
	Type         string // of the input; "lines" is a textarea
	Optional     bool
	Autocomplete string // what browsers may fill in
	InputMode    string // keyboard of a phone
}

// fieldSpecs lists the fields of the request form in the order of the page; error summaries follow it.
func fieldSpecs() []fieldSpec {
	return []fieldSpec{
		{Name: "association", Type: "text", Autocomplete: "organization"},
		{Name: "rna", Type: "text", Optional: true, Autocomplete: "off"},
		{Name: "siret", Type: "text", Optional: true, Autocomplete: "off", InputMode: "numeric"},
		{Name: "website", Type: "url", Optional: true, Autocomplete: "url"},
		{Name: "contact", Type: "text", Autocomplete: "name"},
		{Name: "email", Type: "email", Autocomplete: "email"},
		{Name: "lang", Type: "choice"},
		{Name: "purpose", Type: "lines"},
		{Name: "kinds", Type: "choice"},
		{Name: "plan", Type: "choice"},
		{Name: "slug", Type: "text", Autocomplete: "off"},
		{Name: "charter", Type: "choice"},
	}
}

// field is one field as the page shows it.
type field struct {
	fieldSpec
	Value string
	Error string // in the visitor's language, empty when all is well
}

// submission reads what was typed, as it was typed: it is shown again when something is wrong with it.
func submission(in input) hosting.Submission {
	return hosting.Submission{
		Association: hosting.Association{
			Name: in.Get("association"), RNA: in.Get("rna"), SIRET: in.Get("siret"), Website: in.Get("website"),
		},
		Contact: hosting.Contact{Name: in.Get("contact"), Email: in.Get("email"), Lang: in.Get("lang")},
		Purpose: in.Get("purpose"),
		Slug:    in.Get("slug"),
		Kinds:   in.Values["kinds"],
		Plan:    in.Get("plan"),
		Charter: in.Get("charter"),
	}
}

// repeated names the fields that came more than once though they hold one value. No browser sends that; taking the
// first and dropping the others would decide for somebody what they meant.
func repeated(in input) []hosting.FieldError {
	var errs []hosting.FieldError
	for _, f := range fieldSpecs() {
		if f.Name != "kinds" && len(in.Values[f.Name]) > 1 {
			errs = append(errs, hosting.FieldError{Field: f.Name, Key: "error.repeated"})
		}
	}
	return errs
}

// values is what each field of the form holds.
func values(s hosting.Submission) map[string]string {
	return map[string]string{
		"association": s.Association.Name, "rna": s.Association.RNA, "siret": s.Association.SIRET,
		"website": s.Association.Website, "contact": s.Contact.Name, "email": s.Contact.Email, "lang": s.Contact.Lang,
		"purpose": s.Purpose, "slug": s.Slug, "plan": s.Plan, "charter": s.Charter,
	}
}

// requestForm is the form with what was typed into it and what is wrong with that.
type requestForm struct {
	Typed    hosting.Submission
	Alert    string // what is wrong with the whole, in the visitor's language
	Ref      string // reference of an error nobody can mend here
	Errors   map[string]string
	Name     *nameAnswer // whether the name is free, once asked
	Offer    hosting.Offer
	Services []service
	Plans    []control.PlanView
	Room     *room // what the services that are ticked take from the plan; nil without a plan
}

// Field is one field of the form, for the templates.
func (f requestForm) Field(name string) field {
	specs := fieldSpecs()
	i := slices.IndexFunc(specs, func(s fieldSpec) bool { return s.Name == name })
	return field{fieldSpec: specs[i], Value: values(f.Typed)[name], Error: f.Errors[name]}
}

// Wrong lists the fields with an error, in the order of the page.
func (f requestForm) Wrong() []field {
	var wrong []field
	for _, spec := range fieldSpecs() {
		if f.Errors[spec.Name] != "" {
			wrong = append(wrong, f.Field(spec.Name))
		}
	}
	return wrong
}
