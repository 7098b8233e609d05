"""Packages of three registries that hold photographs without hands, with their licences."""

from __future__ import annotations

from dataclasses import dataclass

MIT_OF_PACKAGE = "MIT (of the whole package)"


@dataclass(frozen=True)
class Package:
    """What is taken from a package of a registry.

    Attributes:
        name: in the registry.
        version: None takes the one that the distribution has.
        registry: pypi, npm or debian.
        licence: of the files taken.
        authors: whom the package names.
        files: paths inside, or globs of them.
        views: cut-outs of each file, which then is a panorama; 0 takes a file as it is.
    """

    name: str
    version: str | None
    registry: str
    licence: str
    authors: str
    files: tuple[str, ...]
    views: int = 0

    @property
    def folder(self) -> str:
        """Name of the folder that its pictures go to."""
        return self.name.strip("@").replace("/", "-")


def inside(folder: str, names: str) -> tuple[str, ...]:
    """Paths in a folder of names that are separated by blanks."""
    return tuple(f"{folder}/{name}" for name in names.split())


def theme(name: str, version: str, files: str) -> Package:
    """A web page theme of Start Bootstrap."""
    paths = inside("package/src/assets/img", files)
    return Package(name, version, "npm", MIT_OF_PACKAGE, "Start Bootstrap LLC", paths)


PACKAGES = (
    Package(
        "blender-data", None, "debian", "CC0 1.0", "Greg Zaal (HDRI Haven)",
        ("usr/share/blender/datafiles/studiolights/world/*.exr",),
        views=8,
    ),
    Package(
        "viser", "1.1.1", "pypi",
        "MIT (of the whole package); the panoramas have names of Poly Haven's, which are CC0 1.0",
        "viser authors; Poly Haven",
        inside(
            "viser/_assets/hdri",
            "dikhololo_night_1k.jpg empty_warehouse_01_1k.jpg forest_slope_1k.jpg "
            "kiara_1_dawn_1k.jpg lebombo_1k.jpg potsdamer_platz_1k.jpg rooitou_park_1k.jpg "
            "st_fagans_interior_1k.jpg venice_sunset_1k.jpg",
        ),
        views=8,
    ),
    # Soft, of 512 px: only the places that the two above do not show.
    Package(
        "@pmndrs/assets", "1.7.0", "npm", "CC0 1.0", "Poly Haven; Poimandres",
        inside(
            "package/hdri",
            "bridge.exr.js esplanade.exr.js hall.exr.js lab.exr.js sunset.exr.js venice.exr.js "
            "workshop.exr.js",
        ),
        views=5,
    ),
    Package(
        "open3d-cpu", "0.20.0", "pypi", MIT_OF_PACKAGE, "Open3D authors",
        inside(
            "open3d/resources",
            "brightday_skybox.ktx crossroads_skybox.ktx hall_skybox.ktx konzerthaus_skybox.ktx "
            "nightlights_skybox.ktx park_skybox.ktx park2_skybox.ktx pillars_skybox.ktx "
            "streetlamp_skybox.ktx",
        ),
    ),
    Package(
        "tabler-ui", "0.0.34", "npm", MIT_OF_PACKAGE,
        "Tabler authors; file names give the photographers",
        # All but one of two legs and one that material-kit-react has too.
        inside("package/dist/demo/photos", "[!dj]*-1500.jpg da*-1500.jpg j[eo]*-1500.jpg"),
    ),
    Package(
        "lomiri-wallpapers-16.04", None, "debian", "CC BY 4.0; CC0 1.0 (seeding)",
        'Aitzol Berasategi, Trevor "Freespace", Jakub Mede; Clemens Engelhardt (seeding)',
        inside(
            "usr/share/backgrounds",
            "Picture_0B_by_freespace.jpg Picture_1A_by_freespace.jpg Wine_by_Jakkub_Mede.jpg "
            "*_by_Aitzol_Berasategi.jpg seeding_by_Clements_Engelhardt.jpg",
        ),
    ),
    Package(
        "libjxl-testdata", None, "debian", "CC0 1.0 (wesaturate); BSD-3-Clause (flower, hdr_room)",
        "photographers of wesaturate by file name; JPEG XL Project Authors",
        (
            *inside(
                "usr/share/libjxl-testdata/external/wesaturate/500px",
                "cvo9xd_keong_macan_srgb8.png tmshre_riaphotographs_srgb8.png "
                "u76c0g_bliznaca_srgb8.png",
            ),
            *inside("usr/share/libjxl-testdata/jxl", "flower/flower.png hdr_room.png"),
        ),
    ),
    Package(
        "scikit-image", "0.26.0", "pypi", "CC0 1.0; public domain (rocket)",
        "CC0Textures (brick, grass, gravel), Stefan van der Walt (chelsea), "
        "Rachel Michetti (coffee), SpaceX (rocket)",
        inside("skimage/data", "brick.png chelsea.png coffee.png grass.png gravel.png rocket.jpg"),
    ),
    Package(
        "scikit-learn", "1.9.1", "pypi", "CC BY 2.0",
        "danielbuechele (china, flickr.com/photos/danielbuechele/6061409035), "
        "vultilion (flower, flickr.com/photos/vultilion/6056698931)",
        inside("sklearn/datasets/images", "china.jpg flower.jpg"),
    ),
    Package(
        "opencv-doc", None, "debian", "Apache-2.0, BSD-3-Clause (of the whole package)",
        "OpenCV, Intel",
        (
            *inside(
                "usr/share/doc/opencv-doc/examples/data",
                "aero1.jpg aero3.jpg apple.jpg box_in_scene.png butterfly.jpg chicky_512.png "
                "ela_original.jpg fruits.jpg home.jpg orange.jpg stuff.jpg",
            ),
            *inside("usr/share/doc/opencv-doc/opencv4/html", "building.jpg squirrel_cls.jpg"),
        ),
    ),
    Package(
        "gradio", "6.31.0", "pypi", "Apache-2.0 (of the whole package)", "Gradio authors",
        inside("gradio/media_assets/images", "cheetah.jpg cheetah1.jpg tower.jpg"),
    ),
    theme(
        "startbootstrap-agency", "7.0.12",
        "header-bg.jpg portfolio/1.jpg portfolio/2.jpg portfolio/5.jpg portfolio/6.jpg "
        "team/1.jpg team/3.jpg",
    ),
    theme(
        "startbootstrap-business-casual", "7.0.9",
        "about.jpg bg.jpg products-01.jpg products-03.jpg",
    ),
    theme("startbootstrap-clean-blog", "6.0.9", "about-bg.jpg contact-bg.jpg home-bg.jpg"),
    theme("startbootstrap-creative", "7.0.7", "bg-masthead.jpg portfolio/fullsize/?.jpg"),
    theme(
        "startbootstrap-grayscale", "7.0.6",
        "bg-masthead.jpg bg-signup.jpg demo-image-01.jpg demo-image-02.jpg",
    ),
    theme(
        "startbootstrap-landing-page", "6.0.6",
        "bg-masthead.jpg bg-showcase-1.jpg bg-showcase-2.jpg testimonials-1.jpg",
    ),
    theme(
        "startbootstrap-stylish-portfolio", "6.0.6",
        "bg-callout.jpg bg-masthead.jpg portfolio-1.jpg portfolio-2.jpg portfolio-3.jpg",
    ),
    Package(
        "material-kit-react", "1.10.0", "npm", MIT_OF_PACKAGE, "Creative Tim",
        (
            *inside(
                "package/src/assets/img",
                "bg.jpg bg2.jpg bg3.jpg bg7.jpg landing-bg.jpg profile-bg.jpg sign.jpg "
                "examples/cynthia-del-rio.jpg faces/camp.jpg faces/card-profile1-square.jpg "
                "faces/card-profile2-square.jpg faces/card-profile5-square.jpg "
                "faces/card-profile6-square.jpg",
            ),
            *inside(
                "package/Documentation/assets/img", "cover.jpeg sidebar-2.jpg sidebar-4.jpg"
            ),
        ),
    ),
    Package(
        "paper-kit-react", "1.3.0", "npm", MIT_OF_PACKAGE,
        "Creative Tim; file names give the photographers",
        inside(
            "package/src/assets/img",
            "antoine-barres.jpg bruno-abatti.jpg daniel-olahh.jpg daniel-olahs.jpg "
            "fabio-mangione.jpg federico-beccari.jpg ilya-yakover.jpg joshua-stannard.jpg "
            "login-image.jpg soroush-karimi.jpg uriel-soberanes.jpg faces/ayo-ogunseinde-2.jpg "
            "faces/clem-onojeghuo-2.jpg faces/erik-lucatero-2.jpg faces/joe-gardner-2.jpg",
        ),
    ),
    Package(
        "@creative-tim-official/argon-dashboard", "2.0.4", "npm", MIT_OF_PACKAGE, "Creative Tim",
        inside("package/assets/img", "bg-profile.jpg home-decor-[123].jpg vr-bg.jpg"),
    ),
    Package(
        "simplelightbox", "2.14.3", "npm", MIT_OF_PACKAGE, "Andre Rinas",
        inside("package/demo/img", "bg.jpg full/01.jpg full/02.jpg full/05.jpg full/06.jpg"),
    ),
    Package(
        "uikit", "3.25.29", "npm", MIT_OF_PACKAGE, "YOOtheme",
        inside(
            "package/tests/images",
            "dark.jpg photo2.jpg size-v.jpg size1.jpg size2.jpg slider3.jpg",
        ),
    ),
    Package(
        "admin-lte", "3.2.0", "npm", MIT_OF_PACKAGE, "AdminLTE.io, Colorlib",
        inside("package/dist/img", "photo1.png photo2.png photo4.jpg"),
    ),
    Package(
        "@massds/mayflower-assets", "13.2.0", "npm", MIT_OF_PACKAGE,
        "Commonwealth of Massachusetts",
        inside(
            "package/static/images/placeholder",
            "1200x600-trees.jpg 1600x600-lighthouse.jpg 1920x1080-Charlestown.jpg "
            "1920x1080-sign.jpg 600x450-kitten.jpg",
        ),
    ),
    Package(
        "robosuite", "1.5.2", "pypi", MIT_OF_PACKAGE,
        "Stanford Vision and Learning Lab, UT Robot Perception and Learning Lab",
        inside(
            "robosuite/models/assets/textures",
            "blue-wood.png brass-ambra.png clay.png cream-plaster.png dark-wood.png dirt.png "
            "gray-felt.png gray-plaster.png gray-woodgrain.png green-wood.png "
            "light-gray-floor-tile.png light-wood.png pink-plaster.png red-wood.png "
            "steel-brushed.png steel-scratched.png white-bricks.png white-plaster.png "
            "wood-tiles.png wood-varnished-panels.png yellow-plaster.png",
        ),
    ),
    Package(
        "metaworld", "3.1.1", "pypi", MIT_OF_PACKAGE, "Meta-World Team",
        (
            *inside(
                "metaworld/assets/textures",
                "brick1.png floor1.png floor2.png granite.png light_wood.png light_wood_v2.png "
                "light_wood_v3.png marble.png metal.png navy_blue.png plaster1.png real_door.png "
                "wood.png wood2.png wood3.png wood4.png wood_light.png",
            ),
            *inside(
                "metaworld/assets/scene/textures",
                "fabricPattern.png fabricPlain.png metal.png wood.png wood2.png",
            ),
        ),
    ),
    Package(
        "gymnasium-robotics", "1.4.2", "pypi", "MIT; Apache-2.0 (of the whole package)",
        "Farama Foundation, Vikash Kumar",
        (
            *inside(
                "gymnasium_robotics/envs/assets/adroit_hand/resources/textures",
                "darkwood.png marble.png silverRaw.png",
            ),
            *inside(
                "gymnasium_robotics/envs/assets/kitchen_franka/kitchen_assets/textures",
                "marble1.png tile1.png white_marble_tile.png white_marble_tile2.png wood1.png",
            ),
        ),
    ),
    Package(
        "vpython", "7.6.5", "pypi", MIT_OF_PACKAGE,
        "John Coady, Ruth Chabay, Bruce Sherwood and others",
        inside(
            "vpython/vpython_data",
            "flower_texture.jpg granite_texture.jpg gravel_texture.jpg metal_texture.jpg "
            "rock_texture.jpg rough_texture.jpg rug_texture.jpg stones_texture.jpg "
            "stucco_texture.jpg wood_old_texture.jpg wood_texture.jpg",
        ),
    ),
)  # fmt: skip
