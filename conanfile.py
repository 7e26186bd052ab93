"""Conan 2 recipe: the shared library and its headers, as `cmake --install` lays them out."""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load
from conan.tools.gnu import PkgConfigDeps


class Snapvault(ConanFile):
    name = "snapvault"
    license = "Apache-2.0"
    description = "Embeddable backup of volumes to object storage"
    topics = ("backup", "snapshot", "object-storage")
    package_type = "shared-library"
    settings = "os", "arch", "compiler", "build_type"
    exports_sources = ("CMakeLists.txt", "LICENSE", "include/*", "src/*", "capi/*")

    def set_version(self):
        text = load(self, os.path.join(self.recipe_folder, "CMakeLists.txt"))
        self.version = re.search(r"project\(snapvault VERSION ([0-9.]+)", text).group(1)

    def validate(self):
        check_min_cppstd(self, 20)

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        # Linked privately; of Boost only headers are used, inside.
        self.requires("boost/1.81.0", options={"header_only": True}, visible=False)
        self.requires("openssl/[>=3.0 <4]", visible=False)
        self.requires("libyaml/[>=0.2 <1]", visible=False)
        self.requires("pugixml/[>=1.10 <2]", visible=False)
        self.requires("xxhash/[>=0.8 <1]", visible=False)
        self.requires("zstd/[>=1.5 <2]", visible=False)

    def build_requirements(self):
        self.tool_requires("cmake/[>=3.25]")
        self.tool_requires("pkgconf/[>=2]")

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["SNAPVAULT_DEVELOPER"] = False
        toolchain.cache_variables["SNAPVAULT_CLI"] = False
        toolchain.generate()
        CMakeDeps(self).generate()
        PkgConfigDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        self.cpp_info.libs = ["snapvault"]
        self.cpp_info.set_property("cmake_target_name", "snapvault::snapvault")
        self.cpp_info.set_property("pkg_config_name", "snapvault")
