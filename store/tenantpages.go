package store

import (
	"slices"
	"strings"
)

// TenantsAfter lists up to most tenants whose names come after name, by name;
// "" is before all. It looks at all tenants and sorts only those it returns.
func (s *Store) TenantsAfter(name string, most int) []TenantInfo {
	if most <= 0 {
		return nil
	}
	byName := func(a, b TenantInfo) int { return strings.Compare(a.Name, b.Name) }
	var page []TenantInfo
	end := "" // what comes after it is not on the page; "" = not known
	for sp := range s.state.Load().tenants.all() {
		if sp.info.Name <= name || end != "" && sp.info.Name > end {
			continue
		}
		// The page is cut back only when it is twice as long as asked, so that
		// a tenant costs O(log most).
		if page = append(page, sp.info); len(page)/2 >= most {
			slices.SortFunc(page, byName)
			page = page[:most]
			end = page[most-1].Name
		}
	}
	slices.SortFunc(page, byName)
	return page[:min(most, len(page))]
}
