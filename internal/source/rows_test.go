package source

import (
	"fmt"
	"strings"
	"testing"
)

func TestReadRows(t *testing.T) {
	for _, c := range []struct{ format, text, want string }{
		{"csv", "# made by hand\nA;B\n1;2\n\n\"x;\"\"y\"\"\"; 3 \n1\n#;4\n", "[A B] 3:A=1,B=2 5:A=x;\"y\",B=3 6:! 7:A=#,B=4"},
		{"csv", "A\n1", "[A] 2:A=1"},
		{"csv", "\ufeffA,B\r\n1,\r\n", "[A B] 2:A=1,B="},
		{"csv", "A,A\n1,2\n", "! line 1: column \"A\" is there twice"},
		{"csv", "secret.example,secret.example\n", "! line 1: column \"[not shown]\" is there twice"},
		{"csv", "\"A\n", "! line 1: "},
		{"jsonl", "# c\n{\"a\":\"1\"}\n{\"a\":\"2\",\"b\":\"3\"}\n{\"a\":4}\n{\n", "[a] 2:a=1 [a b] 3:a=2,b=3 4:! 5:!"},
		{"jsonl", "", ""},
		{"plain", "a\n", "! format \"plain\" has no rows: want csv or jsonl"},
	} {
		var got []string
		err := ReadRows(strings.NewReader(c.text), c.format, func(names []string) error {
			got = append(got, fmt.Sprint(names))
			return nil
		}, func(r Row) error {
			if r.Err != nil {
				got = append(got, fmt.Sprintf("%d:!", r.N))
				return nil
			}
			var fields []string
			for _, f := range r.Fields {
				fields = append(fields, f.Name+"="+f.Value)
			}
			got = append(got, fmt.Sprintf("%d:%s", r.N, strings.Join(fields, ",")))
			return nil
		})
		if err != nil {
			got = append(got, "! "+err.Error())
		}
		if s := strings.Join(got, " "); s != c.want && !(strings.HasSuffix(c.want, ": ") && strings.HasPrefix(s, c.want)) {
			t.Errorf("%s %q:\n%s\nwant\n%s", c.format, c.text, s, c.want)
		}
	}
}
