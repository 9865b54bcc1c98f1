package sample

import "fmt"

var (
	families = []string{"Nguyễn", "Nguyễn", "Nguyễn", "Trần", "Trần", "Lê", "Lê", "Phạm", "Hoàng", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương", "Lý", "Nông", "Hoàng", "Triệu", "Vi", "Lò"}
	middles  = [2][]string{{"Văn", "Văn", "Đức", "Hữu", "Quang", "Minh", "Xuân", "Ngọc", "Thanh"}, {"Thị", "Thị", "Thị", "Ngọc", "Thu", "Thanh", "Minh", "Kim", "Diệu"}}
	givens   = [2][]string{{"An", "Bình", "Cường", "Dũng", "Đạt", "Giang", "Hải", "Hòa", "Hùng", "Khánh", "Lâm", "Long", "Nam", "Phúc", "Quân", "Sơn", "Thắng", "Tuấn", "Việt"}, {"An", "Ánh", "Bích", "Chi", "Dung", "Hà", "Hạnh", "Hoa", "Hương", "Lan", "Linh", "Mai", "Nga", "Oanh", "Phương", "Thảo", "Thủy", "Trang", "Yến"}}
	hamlets  = []string{"Đông", "Đoài", "Thượng", "Hạ", "Trung", "Bản Mới", "Nà Mẫu", "Khe Mẫu", "Đồng Mẫu", "Suối Mẫu"}
)

// person puts a name together from common parts.
func (m *maker) person() string {
	sex := m.IntN(2)
	middle := among(m, middles[sex])
	if sex == 1 && m.chance(0.35) {
		middle = "Thị " + among(m, []string{"Minh", "Thu", "Ngọc", "Hồng"})
	}
	return among(m, families) + " " + middle + " " + among(m, givens[sex])
}

func (m *maker) address() string {
	return fmt.Sprintf("Số %d, thôn %s (dữ liệu mẫu)", 1+m.IntN(180), among(m, hamlets))
}

// telephone begins with 0000, as no number does.
func (m *maker) telephone() string {
	return fmt.Sprintf("0000 %03d %03d", m.IntN(1000), m.IntN(1000))
}
