package daemon

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// byDefault is the origin of a value that nobody gave.
const byDefault = "default"

// addFlags gives the options their flags and their defaults.
func addFlags(flags *pflag.FlagSet, all []setting) {
	for _, s := range all {
		switch field := s.field.(type) {
		case *string:
			flags.StringVar(field, s.name, s.def, s.usage)
		case *bool:
			flags.BoolVar(field, s.name, s.def == "true", s.usage)
		case *[]string:
			flags.StringSliceVar(field, s.name, nil, s.usage)
		}
	}
}

// resolve fills in what no flag gave: from the environment, then from the config file. It returns where each option's value
// came from, by its flag's name, and checks each value by itself.
func resolve(opts *ServeOptions, flags *pflag.FlagSet, env func(string) string) (map[string]string, error) {
	all := settings(opts)
	origins := map[string]string{}
	for _, s := range all {
		origins[s.name] = byDefault
		if flags.Changed(s.name) {
			origins[s.name] = "flag --" + s.name
			continue
		}
		text := env(s.env())
		if text == "" {
			continue
		}
		place := "environment " + s.env()
		if err := s.set(flags, place, text); err != nil {
			return nil, err
		}
		origins[s.name] = place
	}
	if opts.Config == "" && flags.Changed("config") { // --config "$FILE" of a script in which it is not set
		e := cliutil.UsageError("--config names no file")
		e.Hint = "name one, or leave the flag out"
		return nil, e
	}
	if opts.Config != "" {
		if err := fromFile(opts.Config, all, flags, origins); err != nil {
			return nil, err
		}
	}
	for _, s := range all {
		if err := s.settle(origins[s.name]); err != nil {
			return nil, err
		}
	}
	return origins, nil
}

// fromFile fills in what the config file gives and nothing stronger has given.
func fromFile(path string, all []setting, flags *pflag.FlagSet, origins map[string]string) error {
	entries, err := readConfig(path, all)
	if err != nil {
		return err
	}
	for _, s := range all {
		e, ok := entries[s.name]
		if !ok || origins[s.name] != byDefault {
			continue
		}
		if err := s.set(flags, e.place, e.values...); err != nil {
			return err
		}
		origins[s.name] = e.place
	}
	return nil
}

// settle checks the value that an option has from a place.
func (s setting) settle(origin string) error {
	if list, ok := s.field.(*[]string); ok {
		for i, value := range *list {
			(*list)[i] = strings.TrimSpace(value) // of "a, b"
		}
	}
	place := "--" + s.name
	if variable, ok := strings.CutPrefix(origin, "environment "); ok {
		place = variable
	} else if strings.HasPrefix(origin, "file ") {
		place = "the config " + origin + ", " + s.key()
	}
	return s.verify(place)
}

// set gives an option the value that stands at a place, without making it look like a flag's.
func (s setting) set(flags *pflag.FlagSet, place string, values ...string) error {
	to := flags.Lookup(s.name).Value
	var err error
	if list, ok := to.(pflag.SliceValue); ok {
		if len(values) == 1 {
			values = strings.Split(values[0], ",")
		}
		err = list.Replace(values)
	} else {
		err = to.Set(values[0])
	}
	if err == nil {
		return nil
	}
	// only a *bool refuses
	refusal := cliutil.UsageError("%s is %s, which is neither true nor false", strings.TrimPrefix(place, "environment "), cliutil.Quoted(values[0]))
	refusal.Hint, refusal.Err = "use true or false", fmt.Errorf("%s: %w", s.name, err)
	return refusal
}
