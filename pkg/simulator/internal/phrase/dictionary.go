package phrase

import "strings"

// entry is a word or a phrase in both languages.
type entry struct{ chinese, english string }

// dictionary lists what the simulated translator knows. If a word has several
// translations, the first one is used, in either direction.
func dictionary() []entry {
	var pairs []entry
	for line := range strings.Lines(vocabulary) {
		for pair := range strings.SplitSeq(line, ";") {
			if chinese, english, ok := strings.Cut(strings.TrimSpace(pair), "="); ok {
				pairs = append(pairs, entry{chinese, english})
			}
		}
	}
	return pairs
}

const vocabulary = `
一只猫在月光下=A cat in the moonlight; 一只猫=a cat; 一只可爱的猫=a cute cat; 你好=hello; 你好世界=hello world; 谢谢=thank you
早上好=good morning; 晚上好=good evening; 再见=goodbye; 春天的花园=a garden in spring; 海上日落=sunset over the sea; 雪山下的湖=a lake below snowy mountains
赛博朋克城市=a cyberpunk city; 星空下的城市=a city under the starry sky; 中国山水画=Chinese landscape painting; 水墨画=ink wash painting
的=; 地=; 得=; 了=; 着=; 是=is; 和=and; 与=and; 有=with; 在=at; 一=a; 一个=a; 一只=a; 一条=a; 一位=a; 一朵=a; 一座=a; 一片=a; 一棵=a; 一辆=a; 一幅=a; 一张=a; 一艘=a; 一群=a group of; 两只=two; 三只=three; 许多=many; 很多=many
我=I; 你=you; 他=he; 她=she; 我们=we; 它=it; 我的=my; 你的=your; 这=this; 那=that
猫=cat; 小猫=kitten; 狗=dog; 小狗=puppy; 鸟=bird; 鱼=fish; 马=horse; 龙=dragon; 老虎=tiger; 狮子=lion; 熊猫=panda; 熊=bear; 兔子=rabbit; 狐狸=fox; 狼=wolf; 鹿=deer; 蝴蝶=butterfly; 大象=elephant; 鲸鱼=whale; 鹤=crane; 猫头鹰=owl; 凤凰=phoenix
女孩=girl; 男孩=boy; 女人=woman; 男人=man; 孩子=child; 老人=old man; 宇航员=astronaut; 骑士=knight; 公主=princess; 机器人=robot; 战士=warrior; 人=person; 人们=people; 朋友=friend; 少女=young girl
月光=the moonlight; 月光=moonlight; 月亮=moon; 太阳=sun; 阳光=sunlight; 星星=star; 星空=starry sky; 天空=sky; 云=cloud; 白云=white clouds; 雨=rain; 雪=snow; 风=wind; 雾=mist; 雾=fog; 彩虹=rainbow; 闪电=lightning; 银河=Milky Way; 极光=aurora; 宇宙=universe; 太空=space; 地球=earth
山=mountain; 雪山=snowy mountain; 河=river; 河流=river; 湖=lake; 湖泊=lake; 海=sea; 大海=sea; 海洋=ocean; 海滩=beach; 海边=seaside; 岛=island; 森林=forest; 树林=woods; 树=tree; 大树=big tree; 花=flower; 花朵=flower; 樱花=cherry blossom; 玫瑰=rose; 向日葵=sunflower; 莲花=lotus; 草=grass; 草地=meadow; 草原=grassland; 竹林=bamboo forest; 竹子=bamboo; 沙漠=desert; 瀑布=waterfall; 田野=field; 花园=garden; 山谷=valley; 火山=volcano; 石头=stone; 水=water; 火=fire; 冰=ice; 叶子=leaf; 枫叶=maple leaf
城市=city; 村庄=village; 小镇=town; 街道=street; 房子=house; 城堡=castle; 寺庙=temple; 桥=bridge; 塔=tower; 灯塔=lighthouse; 窗=window; 窗户=window; 门=door; 屋顶=roof; 房间=room; 图书馆=library; 咖啡馆=café; 学校=school; 公园=park; 火车站=railway station; 长城=Great Wall; 古镇=ancient town; 路=road
船=boat; 小船=small boat; 火车=train; 汽车=car; 自行车=bicycle; 飞机=airplane; 飞船=spaceship; 热气球=hot-air balloon; 气球=balloon; 书=book; 灯=lamp; 灯笼=lantern; 咖啡=coffee; 茶=tea; 蛋糕=cake; 苹果=apple; 剑=sword; 伞=umbrella; 帽子=hat; 眼睛=eye; 头发=hair; 裙子=dress; 钢琴=piano; 吉他=guitar; 音乐=music; 桌子=table; 椅子=chair; 镜子=mirror
红色=red; 红=red; 蓝色=blue; 蓝=blue; 绿色=green; 绿=green; 黄色=yellow; 黑色=black; 黑=black; 白色=white; 白=white; 金色=golden; 银色=silver; 紫色=purple; 粉色=pink; 橙色=orange; 灰色=gray; 棕色=brown; 彩色=colorful; 五颜六色=colorful
大=big; 小=small; 小=little; 美丽=beautiful; 漂亮=pretty; 可爱=cute; 古老=ancient; 古老=old; 未来=future; 神秘=mysterious; 宁静=tranquil; 安静=quiet; 快乐=happy; 悲伤=sad; 温暖=warm; 寒冷=cold; 明亮=bright; 黑暗=dark; 高=tall; 年轻=young; 勇敢=brave; 巨大=huge; 孤独=lonely; 浪漫=romantic; 梦幻=dreamy; 魔法=magic; 超现实=surreal; 写实=realistic; 精致=delicate; 柔和=soft
春天=spring; 夏天=summer; 秋天=autumn; 冬天=winter; 早晨=morning; 清晨=early morning; 夜晚=night; 夜=night; 晚上=evening; 黄昏=dusk; 日落=sunset; 日出=sunrise; 夕阳=setting sun; 午夜=midnight; 今天=today; 明天=tomorrow
坐=sitting; 坐着=sitting; 站=standing; 站着=standing; 跑=running; 奔跑=running; 飞=flying; 飞翔=flying; 游泳=swimming; 睡觉=sleeping; 看=looking at; 看着=looking at; 看书=reading; 读书=reading a book; 跳舞=dancing; 唱歌=singing; 微笑=smiling; 玩=playing; 喝=drinking; 吃=eating; 走=walking; 骑=riding; 穿=wearing; 戴=wearing; 弹=playing; 盛开=in bloom
画=painting; 油画=oil painting; 水彩画=watercolor painting; 水彩=watercolor; 照片=photo; 风景=landscape; 肖像=portrait; 插画=illustration; 动漫=anime; 卡通=cartoon; 素描=sketch; 像素=pixel art; 风格=style; 赛博朋克=cyberpunk; 蒸汽朋克=steampunk; 光=light; 影子=shadow; 倒影=reflection; 梦=dream; 爱=love; 世界=world; 故事=story; 时间=time; 生活=life; 希望=hope
在=in; 在=on; 在=at; 在下=under; 在旁边=beside; 在附近=near; 越过=over; 通过=through; 带着=with; 和=and; 或者=or; 之间=between; 没有=without; 非常=very; 这个=this; 那个=that; 来自=from; 到=to; 为了=for; 像=like
`
