package protocol

import (
	"encoding/json"
	"strings"
	"testing"
)

// The texts are what JavaScript's String(n) gives, but for integers, which keep
// their digits.
func TestIDText(t *testing.T) {
	for number, want := range map[string]string{
		"0": "0", "-0": "0", "-0.0": "0", "0e5": "0", "42": "42", "-7": "-7",
		"12345678901234567890123456789": "12345678901234567890123456789",
		"9007199254740993":              "9007199254740993",
		"1.0":                           "1", "1.50": "1.5", "1e3": "1000", "1E+3": "1000", "12.5e1": "125",
		"0.1": "0.1", "0.000001": "0.000001", "1e-6": "0.000001", "1e-7": "1e-7", "1.25e-7": "1.25e-7", "0.0000001": "1e-7",
		"1e20": "100000000000000000000", "1e21": "1e+21", "123456789012345680000.0": "123456789012345680000",
		"1.5e300": "1.5e+300", "-1e-10": "-1e-10", "5e-324": "5e-324", "1e-400": "0", "1.7976931348623157e308": "1.7976931348623157e+308",
		`"a"`: "a", `""`: "", `"\u0041\"\ud83d\ude00"`: `A"😀`, `"1e3"`: "1e3",
	} {
		if got, err := idText([]byte(number)); err != nil || got != want {
			t.Errorf("idText(%s) = %q, %v, want %q", number, got, err, want)
		}
	}
	for _, bad := range []string{"1e309", "-1e999999", "1" + strings.Repeat("0", 400) + ".0", "true", "null", "[]", "{}", `"\ud800"`} {
		if got, err := idText([]byte(bad)); err == nil {
			t.Errorf("idText(%.20s) = %q, want an error", bad, got)
		}
	}
}

func TestLoneSurrogate(t *testing.T) {
	for inner, want := range map[string]bool{
		``: false, `a`: false, `\n\\`: false, `\u0041`: false, `\ud83d\ude00`: false, `\uD83D\uDE00x`: false,
		`\ud83d\ude00\ud83d\ude00`: false, `\\ud800`: false, `\ud7ff\ue000`: false,
		`\ud83d`: true, `\ude00`: true, `\ude00\ud83d`: true, `\ud83dx\ude00`: true, `\ud83d\n\ude00`: true,
		`\ud83d\ud83d\ude00`: true, `\ud83d\u0041`: true, `\ud83d\ude00\ude00`: true, `\\\ud800`: true,
	} {
		if got := loneSurrogate([]byte(inner)); got != want {
			t.Errorf("loneSurrogate(%s) = %v, want %v", inner, got, want)
		}
	}
}

// FuzzScan compares the scanner with encoding/json on whatever is JSON.
func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"]}"},"\\\""],"\u0062" : -1.5e3 ,"c":{},"d":[[],[]]}`))
	f.Add([]byte("[ 1 , true,\n\"a\\\\\",null ]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if checkJSON(data) != nil {
			return
		}
		data = []byte(strings.Trim(string(data), space))
		if end := valueEnd(data, 0); end != len(data) {
			t.Fatalf("the value ends at %d of %d", end, len(data))
		}
		switch data[0] {
		case '{':
			compareMembers(t, data)
		case '[':
			compareElements(t, data)
		}
	})
}

func compareMembers(t *testing.T, object []byte) {
	var want map[string]json.RawMessage
	if err := json.Unmarshal(object, &want); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]*[]byte)
	err := members(object, func(name string) *[]byte {
		if got[name] == nil {
			got[name] = new([]byte)
		}
		return got[name]
	})
	if err != nil {
		return // a name twice, or a name that encoding/json would have repaired
	}
	if len(got) != len(want) {
		t.Fatalf("%d members, want %d", len(got), len(want))
	}
	for name, value := range want {
		if got[name] == nil || string(*got[name]) != string(value) {
			t.Fatalf("member %q differs from %s", name, value)
		}
	}
}

func compareElements(t *testing.T, array []byte) {
	var want []json.RawMessage
	if err := json.Unmarshal(array, &want); err != nil {
		t.Fatal(err)
	}
	i := 0
	for element := range elements(array) {
		if i >= len(want) || string(element) != string(want[i]) {
			t.Fatalf("element %d is %s", i, element)
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("%d elements, want %d", i, len(want))
	}
}
